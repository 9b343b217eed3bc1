# Makes variance_r.json: ICC, R², decompositions and contextual tests by lme4 and performance.
# Run from the project's root: Rscript tests/reference/make_variance.R
# Rights & Sterba's and Snijders & Bosker's measures are their published formulas, written out here
# on lmer's estimates; ICC and Nakagawa's R² are performance's own.
suppressMessages({library(lme4); library(performance); library(jsonlite)})
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6))
fit <- function(formula, data) lmer(formula, data, REML = TRUE, control = control)

hsb <- read.csv("bayes_mlm/data/embedded/hsb.csv")
sleep <- read.csv("bayes_mlm/data/embedded/sleepstudy.csv")
orthodont <- read.csv("bayes_mlm/data/embedded/orthodont.csv")
hsb$mses <- ave(hsb$ses, hsb$schoolid)
hsb$wses <- hsb$ses - hsb$mses

decompose <- function(model, data, cluster) {  # Rights & Sterba 2019; 2021 for raw predictors
  X <- getME(model, "X"); beta <- fixef(model)
  Tau <- as.matrix(VarCorr(model)[[1]]); sigma2 <- sigma(model)^2
  Z <- getME(model, "mmList")[[1]]
  center <- function(M) apply(M, 2, function(x) x - ave(x, data[[cluster]]))
  means <- function(M) apply(M, 2, function(x) ave(x, data[[cluster]]))
  f1 <- as.numeric(t(beta) %*% var(center(X)) %*% beta)
  f2 <- as.numeric(t(beta) %*% var(means(X)) %*% beta)
  v1 <- sum(diag(Tau %*% var(center(Z))))
  v2 <- sum(diag(Tau %*% var(means(Z))))
  m <- as.numeric(t(colMeans(Z)) %*% Tau %*% colMeans(Z))
  total <- f1 + f2 + v1 + v2 + m + sigma2
  within <- f1 + v1 + sigma2
  between <- f2 + v2 + m
  list(
    total = list(fixed_within = f1 / total, fixed_between = f2 / total, slopes_within = v1 / total,
                 slopes_between = v2 / total, means = m / total, residual = sigma2 / total),
    within = list(fixed_within = f1 / within, slopes_within = v1 / within,
                  residual = sigma2 / within),
    between = list(fixed_between = f2 / between, slopes_between = v2 / between, means = m / between)
  )
}

measure <- function(id, record, formula, data, cluster, null = NULL) {
  model <- fit(formula, data)
  shares <- icc(model)
  nakagawa <- r2_nakagawa(model)
  out <- list(
    id = id, model = record, r = paste(deparse(formula), collapse = " "),
    icc_adjusted = shares$ICC_adjusted, icc_unadjusted = shares$ICC_unadjusted,
    r2_marginal = unname(nakagawa$R2_marginal), r2_conditional = unname(nakagawa$R2_conditional),
    # var of the fitted values with the predicted effects, and the modelled residual variance
    r2_bayes = var(fitted(model)) / (var(fitted(model)) + sigma(model)^2),
    parts = decompose(model, data, cluster)
  )
  Tau <- as.matrix(VarCorr(model)[[1]])
  if (nrow(Tau) == 1 && !is.null(null)) {
    u <- Tau[1]; e <- sigma(model)^2
    u0 <- as.matrix(VarCorr(null)[[1]])[1]; e0 <- sigma(null)^2
    size <- 1 / mean(1 / table(data[[cluster]]))  # harmonic mean
    out$icc_null <- icc(null)$ICC_adjusted
    out$r2_between <- (u0 - u) / u0
    out$r2_within <- (e0 - e) / e0
    out$r2_level1 <- 1 - (e + u) / (e0 + u0)
    out$r2_level2 <- 1 - (e / size + u) / (e0 / size + u0)
  }
  if (nrow(Tau) == 2) {
    at <- c(-1, 0, 2)
    out$vpc <- lapply(at, function(x) {
      z <- c(1, x)
      between <- as.numeric(t(z) %*% Tau %*% z)
      list(at = x, value = between / (between + sigma(model)^2))
    })
  }
  out
}

hsb0 <- fit(mathach ~ 1 + (1 | schoolid), hsb)
sleep0 <- fit(reaction ~ 1 + (1 | subject), sleep)
orthodont0 <- fit(distance ~ 1 + (1 | subject), orthodont)
cases <- list(
  measure("hsb_null", "hsb_null", mathach ~ 1 + (1 | schoolid), hsb, "schoolid"),
  measure("hsb_ses", "hsb_ses", mathach ~ ses + (1 | schoolid), hsb, "schoolid", hsb0),
  measure("hsb_sector", "hsb_sector", mathach ~ ses + sector + (1 | schoolid), hsb, "schoolid",
          hsb0),
  measure("hsb_sector_ses", "hsb_sector_ses", mathach ~ ses * sector + (1 | schoolid), hsb,
          "schoolid", hsb0),
  measure("hsb_mundlak_random", "hsb_mundlak_random", mathach ~ ses + mses + (1 | schoolid), hsb,
          "schoolid", hsb0),
  measure("hsb_random_slope", "hsb_random_slope", mathach ~ ses + (ses | schoolid), hsb,
          "schoolid"),
  measure("hsb_slopes_as_outcomes", "hsb_slopes_as_outcomes",
          mathach ~ mses * wses + sector * wses + (wses | schoolid), hsb, "schoolid"),
  measure("sleepstudy_intercept", "reaction ~ days + (1 | subject)",
          reaction ~ days + (1 | subject), sleep, "subject", sleep0),
  measure("sleepstudy_slope", "reaction ~ days + (days | subject)",
          reaction ~ days + (days | subject), sleep, "subject"),
  measure("orthodont_intercept", "distance ~ age + sex + (1 | subject)",
          distance ~ age + sex + (1 | subject), orthodont, "subject", orthodont0),
  measure("orthodont_slope", "distance ~ age * sex + (age | subject)",
          distance ~ age * sex + (age | subject), orthodont, "subject")
)

# The rungs without group effects: the Bayesian R² at the least-squares estimate.
plain <- function(model) var(fitted(model)) / (var(fitted(model)) + sigma(model)^2)
schools <- aggregate(cbind(mathach, ses) ~ schoolid, hsb, mean)
rungs <- list(
  hsb_pooled = plain(lm(mathach ~ ses, hsb)),
  hsb_between = plain(lm(mathach ~ ses, schools)),
  hsb_no_pooling = plain(lm(mathach ~ 0 + factor(schoolid) + ses, hsb)),
  hsb_within = plain(lm(mathach ~ wses, hsb)),
  hsb_mundlak = plain(lm(mathach ~ ses + mses, hsb))
)

hausman <- function(id, formula, fixed, random, both, terms, means) {
  f <- lm(fixed, hsb); r <- fit(random, hsb); b <- fit(both, hsb)
  d <- coef(f)[terms] - fixef(r)[terms]
  V <- vcov(f)[terms, terms, drop = FALSE] - as.matrix(vcov(r))[terms, terms, drop = FALSE]
  g <- fixef(b)[means]; W <- as.matrix(vcov(b))[means, means, drop = FALSE]
  statistic <- as.numeric(t(d) %*% solve(V) %*% d)
  wald <- as.numeric(t(g) %*% solve(W) %*% g)
  list(id = id, formula = formula, fixed = as.list(coef(f)[terms]),
       random = as.list(fixef(r)[terms]), eigen = min(eigen(V)$values), statistic = statistic,
       p = pchisq(statistic, length(terms), lower.tail = FALSE), contextual = as.list(g),
       contextual_se = as.list(sqrt(diag(W))), wald = wald,
       wald_p = pchisq(wald, length(means), lower.tail = FALSE))
}
hsb$mminority <- ave(hsb$minority, hsb$schoolid)
hsb$mfemale <- ave(hsb$female, hsb$schoolid)
tests <- list(
  hausman("ses", "mathach ~ ses + (1 | schoolid)", mathach ~ ses + factor(schoolid),
          mathach ~ ses + (1 | schoolid), mathach ~ ses + mses + (1 | schoolid), "ses", "mses"),
  hausman("three", "mathach ~ ses + minority + female + sector + (1 | schoolid)",
          mathach ~ ses + minority + female + factor(schoolid),
          mathach ~ ses + minority + female + sector + (1 | schoolid),
          mathach ~ ses + minority + female + sector + mses + mminority + mfemale + (1 | schoolid),
          c("ses", "minority", "female"), c("mses", "mminority", "mfemale"))
)
anova_ses <- anova(lm(ses ~ factor(schoolid), hsb))$`Mean Sq`
sizes <- as.numeric(table(hsb$schoolid))
n0 <- (nrow(hsb) - sum(sizes^2) / nrow(hsb)) / (length(sizes) - 1)
published <- fit(mathach ~ ses + meanses + (1 | schoolid), hsb)
write_json(
  list(
    made_with = paste0(R.version.string, ", lme4 ", packageVersion("lme4"), ", performance ",
                       packageVersion("performance"), "; tests/reference/make_variance.R"),
    cases = cases, rungs = rungs, hausman = tests,
    share_ses = (anova_ses[1] - anova_ses[2]) / (anova_ses[1] + (n0 - 1) * anova_ses[2]),
    meanses = list(fixef = as.list(fixef(published)),
                   se = as.list(sqrt(diag(as.matrix(vcov(published))))))
  ),
  "tests/reference/variance_r.json", auto_unbox = TRUE, digits = 10, pretty = TRUE
)
