# Make growth.json: random slopes, correlated and not, and growth models, by lme4 and nlme.
#
#     Rscript tests/reference/growth.R
#
# R's own formulas are kept beside the numbers. lme4 is run to tight tolerances and then polished;
# nlme, where it is asked, has pdDiag for independent effects. Needs R with lme4, nlme, jsonlite.
suppressMessages({library(lme4); library(nlme); library(jsonlite)})
folder <- "bayes_mlm/_data"
read <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))
sleepstudy <- read("sleepstudy")
hsb <- read("hsb")
orthodont <- read("orthodont")
orthodont$sex <- factor(orthodont$sex, levels = c("Female", "Male"))
orthodont$subject <- factor(orthodont$subject)

cases <- list(
  list(id = "sleep_independent", data = "sleepstudy",
       formula = reaction ~ days + (days || subject),
       ours = "reaction ~ days + (days || subject)",
       random = list(subject = pdDiag(~ days))),
  list(id = "sleep_slope_only", data = "sleepstudy",
       formula = reaction ~ days + (0 + days | subject),
       ours = "reaction ~ days + (0 + days | subject)",
       random = ~ 0 + days | subject),
  list(id = "sleep_quadratic", data = "sleepstudy",
       formula = reaction ~ days + I(days^2) + (days | subject),
       ours = "reaction ~ days + I(days ** 2) + (days | subject)",
       random = ~ days | subject),
  list(id = "sleep_quadratic_independent", data = "sleepstudy",
       formula = reaction ~ days + I(days^2) + (days + I(days^2) || subject),
       ours = "reaction ~ days + I(days ** 2) + (days + I(days ** 2) || subject)",
       random = list(subject = pdDiag(~ days + I(days^2)))),
  list(id = "orthodont_growth", data = "orthodont",
       formula = distance ~ I(age - 11) * sex + (I(age - 11) | subject),
       ours = "distance ~ I(age - 11) * sex + (I(age - 11) | subject)",
       random = ~ I(age - 11) | subject),
  list(id = "orthodont_independent", data = "orthodont",
       formula = distance ~ I(age - 11) * sex + (I(age - 11) || subject),
       ours = "distance ~ I(age - 11) * sex + (I(age - 11) || subject)",
       random = list(subject = pdDiag(~ I(age - 11)))),
  list(id = "hsb_independent", data = "hsb",
       formula = mathach ~ ses + (ses || schoolid),
       ours = "mathach ~ ses + (ses || schoolid)",
       random = list(schoolid = pdDiag(~ ses))),
  list(id = "hsb_slope_only", data = "hsb",
       formula = mathach ~ ses + (0 + ses | schoolid),
       ours = "mathach ~ ses + (0 + ses | schoolid)",
       random = ~ 0 + ses | schoolid),
  list(id = "hsb_two_slopes", data = "hsb",
       formula = mathach ~ ses + minority + (ses + minority | schoolid),
       ours = "mathach ~ ses + minority + (ses + minority | schoolid)",
       random = NULL),
  list(id = "hsb_two_slopes_independent", data = "hsb",
       formula = mathach ~ ses + minority + (ses + minority || schoolid),
       ours = "mathach ~ ses + minority + (ses + minority || schoolid)",
       random = list(schoolid = pdDiag(~ ses + minority)))
)

tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
                     optCtrl = list(rhoend = 1e-10, maxfun = 100000))

# A minimiser stops where the deviance no longer changes, which leaves half of its digits to theta.
# Newton steps on central differences of the deviance of lme4 itself leave more.
polish <- function(deviance, theta) {
  n <- length(theta)
  slope <- function(x) vapply(seq_len(n), function(k) {
    h <- 0.02 * max(abs(x[k]), 0.01)
    at <- function(m) deviance(replace(x, k, x[k] + m * h))
    (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + (at(3) - at(-3))) / (60 * h)
  }, 0)
  for (i in 1:4) {
    curve <- vapply(seq_len(n), function(k) {
      h <- 1e-3 * max(abs(theta[k]), 0.01)
      (slope(replace(theta, k, theta[k] + h)) - slope(replace(theta, k, theta[k] - h))) / (2 * h)
    }, numeric(n))
    theta <- theta - solve(matrix(curve, n), slope(theta))
  }
  theta
}

lme4_fit <- function(case, reml) {
  data <- get(case$data)
  first <- lmer(case$formula, data, REML = reml, control = tight)
  parsed <- lFormula(case$formula, data, REML = reml)
  deviance <- do.call(mkLmerDevfun, parsed)
  theta <- polish(deviance, getME(first, "theta"))
  value <- deviance(theta)
  best <- mkMerMod(environment(deviance), list(par = theta, fval = value, conv = 0, feval = 0),
                   parsed$reTrms, fr = parsed$fr)
  stopifnot(as.numeric(logLik(best)) > as.numeric(logLik(first)) - 1e-8)
  varcomp <- as.data.frame(VarCorr(best))
  list(loglik = as.numeric(logLik(best)), aic = AIC(best),
       fixef = as.list(fixef(best)),
       se = as.list(sqrt(diag(as.matrix(vcov(best))))),
       varcomp = lapply(seq_len(nrow(varcomp)), function(i) list(
         group = sub("\\.[0-9]+$", "", varcomp$grp[i]), var1 = varcomp$var1[i],
         var2 = varcomp$var2[i], vcov = varcomp$vcov[i], sdcor = varcomp$sdcor[i])),
       singular = isSingular(best),
       ranef_head = lapply(1:3, function(i) {
         one <- ranef(best)[[1]]
         list(id = rownames(one)[i], blup = as.list(one[i, , drop = FALSE]))
       }))
}

nlme_fit <- function(case, reml) {
  if (is.null(case$random)) return(NULL)
  fixed <- lme4::nobars(case$formula)
  one <- try(lme(fixed, get(case$data), random = case$random,
                 method = if (reml) "REML" else "ML",
                 control = lmeControl(opt = "optim", msTol = 1e-12, tolerance = 1e-12,
                                      maxIter = 500, msMaxIter = 1000)), silent = TRUE)
  if (inherits(one, "try-error")) return(NULL)
  list(loglik = as.numeric(logLik(one)))
}

found <- lapply(cases, function(case) {
  message(case$id)
  result <- list(id = case$id, data = case$data, ours = case$ours,
                 r = paste(deparse(case$formula), collapse = " "))
  for (method in c("REML", "ML")) {
    own <- lme4_fit(case, method == "REML")
    own$nlme <- nlme_fit(case, method == "REML")
    result[[tolower(method)]] <- own
  }
  result
})
versions <- sprintf("R %s, lme4 %s, nlme %s", getRversion(), packageVersion("lme4"),
                    packageVersion("nlme"))
write_json(list(made_with = versions, script = "tests/reference/growth.R", cases = found),
           "tests/reference/growth.json", auto_unbox = TRUE, digits = NA, pretty = 1, null = "null",
           na = "null")
