# Make residual.json: residuals of unequal variance and AR(1) residuals, by nlme's REML.
#
#     Rscript tests/reference/residual.R
#
# Needs R with nlme and jsonlite; run at the top of the project, whose embedded data it reads.
suppressMessages({library(nlme); library(jsonlite)})
folder <- "bayes_mlm/_data"
read <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))
orthodont <- read("orthodont")
orthodont$sex <- factor(orthodont$sex, levels = c("Female", "Male"))
orthodont$step <- (orthodont$age - 6) / 2
hsb <- read("hsb")
sleep <- read("sleepstudy")
sleep$wave <- sleep$days + 1
# Visits that were missed, so that one gap is of two steps and one of three.
gaps <- subset(sleep, !(subject == 308 & days == 4) & !(subject == 309 & days %in% c(2, 3)))

tight <- lmeControl(msTol = 1e-14, tolerance = 1e-14, msMaxIter = 1000, maxIter = 1000,
                    msMaxEval = 5000)
by_sex <- varIdent(form = ~ 1 | sex)
growth <- distance ~ I(age - 11) * sex
cases <- list(
  list(id = "orthodont_sex", data = "orthodont", fixed = growth, random = ~ 1 | subject,
       ours = "distance ~ I(age - 11) * sex + (1 | subject)",
       residual = list(sigma = "sex"), weights = by_sex),
  list(id = "orthodont_ar", data = "orthodont", fixed = growth, random = ~ 1 | subject,
       ours = "distance ~ I(age - 11) * sex + (1 | subject)",
       residual = list(ar = "age"), correlation = corAR1(form = ~ step | subject)),
  list(id = "orthodont_both", data = "orthodont", fixed = growth, random = ~ 1 | subject,
       ours = "distance ~ I(age - 11) * sex + (1 | subject)",
       residual = list(sigma = "sex", ar = "age"), weights = by_sex,
       correlation = corAR1(form = ~ step | subject)),
  list(id = "orthodont_slopes_sex", data = "orthodont", fixed = growth,
       random = ~ I(age - 11) | subject,
       ours = "distance ~ I(age - 11) * sex + (I(age - 11) | subject)",
       residual = list(sigma = "sex"), weights = by_sex),
  list(id = "sleep_ar", data = "sleep", fixed = reaction ~ days, random = ~ 1 | subject,
       ours = "reaction ~ days + (1 | subject)",
       residual = list(ar = "days"), correlation = corAR1(form = ~ wave | subject)),
  list(id = "sleep_gaps", data = "gaps", fixed = reaction ~ days, random = ~ 1 | subject,
       ours = "reaction ~ days + (1 | subject)",
       residual = list(ar = "days"), correlation = corAR1(form = ~ wave | subject)),
  list(id = "sleep_slope_ar", data = "sleep", fixed = reaction ~ days, random = ~ 0 + days | subject,
       ours = "reaction ~ days + (0 + days | subject)",
       residual = list(ar = "days"), correlation = corAR1(form = ~ wave | subject)),
  list(id = "hsb_sector", data = "hsb", fixed = mathach ~ ses * sector, random = ~ 1 | schoolid,
       ours = "mathach ~ ses * sector + (1 | schoolid)",
       residual = list(sigma = "sector"), weights = varIdent(form = ~ 1 | sector))
)

run <- function(case) {
  call <- list(quote(lme), fixed = case$fixed, random = case$random, data = as.name(case$data),
               weights = case$weights, correlation = case$correlation, control = quote(tight))
  fit <- eval(as.call(call[!vapply(call, is.null, TRUE)]))
  ends <- intervals(fit, level = 0.95)
  effects <- ends$reStruct[[1]]
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  sigma <- fit$sigma * (if (is.null(ratio)) 1 else ratio)
  rho <- if (is.null(ends$corStruct)) NULL else as.numeric(ends$corStruct[1, ])
  list(id = case$id, data = case$data, formula = case$ours, residual = case$residual,
       loglik = as.numeric(logLik(fit)), beta = as.numeric(fixef(fit)),
       beta_se = as.numeric(sqrt(diag(vcov(fit)))),
       strata = names(sigma), sigma_e = as.numeric(sigma),
       effects = rownames(effects), sigma_u = effects[, "est."],
       sigma_u_lower = effects[, "lower"], sigma_u_upper = effects[, "upper"],
       rho_e = rho[2], rho_e_lower = rho[1], rho_e_upper = rho[3],
       u = head(ranef(fit)[[1]], 3), first = head(rownames(ranef(fit)), 3))
}
found <- lapply(cases, run)
write(toJSON(list(r = as.character(getRversion()), nlme = as.character(packageVersion("nlme")),
                  cases = found), digits = 12, auto_unbox = TRUE, pretty = TRUE, null = "null"),
      "tests/reference/residual.json")
