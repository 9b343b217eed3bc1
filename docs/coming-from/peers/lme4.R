# Rscript lme4.R > lme4.txt, in this folder: what lme4 prints, for the pages.
library(lme4)
embedded <- "../../../bayes_mlm/data/embedded"
options(width = 88)

hsb <- read.csv(file.path(embedded, "hsb.csv"))
cat("# hsb\n")
m <- lmer(mathach ~ ses * sector + (1 | schoolid), data = hsb)
print(summary(m, correlation = FALSE))

cat("# sleepstudy\n")
s <- lmer(Reaction ~ Days + (Days | Subject), data = sleepstudy)
print(summary(s, correlation = FALSE))
cat("# profile\n")
print(confint(s, method = "profile", quiet = TRUE, oldNames = FALSE))

cat("# effects\n")
print(head(ranef(s)$Subject, 3))

cat("# hsb_null\n")
print(VarCorr(lmer(mathach ~ 1 + (1 | schoolid), data = hsb, REML = FALSE)))

cat("# contraception\n")
women <- read.csv(file.path(embedded, "contraception.csv"))
women$use <- as.integer(women$use == "Y")
g <- glmer(use ~ age + urban + (1 | district), data = women, family = binomial, nAGQ = 25)
print(summary(g, correlation = FALSE))

cat("# versions\n")
cat(R.version.string, "lme4", as.character(packageVersion("lme4")), "\n")
