# Rscript lmerTest.R > lmerTest.txt, in this folder: degrees of freedom by Satterthwaite.
suppressPackageStartupMessages(library(lmerTest))
options(width = 88)
m <- lmer(Reaction ~ Days + (Days | Subject), data = lme4::sleepstudy)
print(coef(summary(m)))
cat(R.version.string, "lmerTest", as.character(packageVersion("lmerTest")), "\n")
