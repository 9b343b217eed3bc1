# Fit by lme4: Rscript with_lme4.R whole FORMULA CSV, or inner FORMULA CSV REPEATS (prints JSON).
given <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(lme4))
frame <- read.csv(given[3])
formula <- as.formula(given[2])
if (given[1] == "whole") {
  print(summary(lmer(formula, frame)))
} else {
  last_fit <- lmer(formula, frame)
  seconds <- replicate(as.integer(given[4]), {
    began <- proc.time()[["elapsed"]]
    for (k in 1:3) last_fit <<- lmer(formula, frame)
    (proc.time()[["elapsed"]] - began) / 3
  })
  cat(sprintf('{"reml": %.6f, "loglik": %.8f}\n', min(seconds), as.numeric(logLik(last_fit))))
}
