# Rscript brms.R > brms.txt, in this folder: what brms prints, for the page (compiles for minutes).
suppressPackageStartupMessages(library(brms))
options(width = 88)
data <- lme4::sleepstudy
m <- brm(Reaction ~ Days + (Days | Subject), data = data, seed = 1, refresh = 0, silent = 2)
cat("# sleepstudy\n")
print(summary(m))
cat("# versions\n")
cat(R.version.string, "brms", as.character(packageVersion("brms")), "rstan",
    as.character(packageVersion("rstan")), "\n")
