# Makes the files of this folder but those of make.sh, from one table; R 4.2, haven 2.5.1.
#   Rscript make.R
set.seed(1); J <- 9; n_j <- 8; n <- J * n_j
names_ <- c("Éluard", "Łódź 2", "St. Mary", "Ñuñoa", "Åsgård", "Θήρα", "Nord", "Süd", "東")
school <- rep(1:J, each = n_j)
u <- rnorm(J, 0, 3)
x <- round(rnorm(n), 2)
band <- sample(1:3, n, TRUE)
agree <- sample(0:10, n, TRUE)
y <- round(20 + 2 * x + c(0, 1, 3)[band] + 0.5 * agree + u[school] + rnorm(n, 0, 2), 2)
gone <- c(3, 17, 40, 66)
bands <- c("low", "middle", "high")
plain <- data.frame(school = names_[school], ses = x, band = bands[band], agree = agree, score = y)
plain$ses[gone] <- NA
write.csv(plain, "study.csv", row.names = FALSE, na = "", fileEncoding = "UTF-8")

library(haven)
values <- function(missing_x, as = as.double) {
  d <- data.frame(school = labelled(as(school), setNames(as(1:J), names_), "School"))
  d$ses <- missing_x
  d$band <- labelled(as(band), setNames(as(1:3), bands), "Achievement band")
  d$agree <- labelled(as(agree), setNames(as(c(0, 10)), c("never", "always")), "How often?")
  d$score <- structure(y, label = "Score")
  d
}
tagged <- x; tagged[gone] <- tagged_na(c("a", "b", "a", "z"))
stata <- values(structure(tagged, label = "Home resources"), as.integer)
for (version in c(13, 15)) write_dta(stata, sprintf("stata%d.dta", version), version = version)
coded <- x; coded[gone] <- c(97, 98, 97, 99)
spss <- values(labelled_spss(coded, c(refused = 97, unknown = 98), na_range = c(97, 99), label = "Home resources"))
write_sav(spss, "spss.sav"); write_sav(spss, "spss.zsav", compress = "zsav")
bare <- x; bare[gone] <- NA
sas <- values(structure(bare, label = "Home resources"))
sas$school <- names_[school]
sas[c("band", "agree")] <- lapply(sas[c("band", "agree")], zap_labels)
suppressWarnings(write_sas(sas, "sas.sas7bdat"))
write_xpt(transform(sas, school = as.numeric(factor(school))), "sas.xpt", version = 5)
saveRDS(spss, "haven.rds", compress = "xz")
factors <- transform(plain, school = factor(school), band = factor(band, levels = bands))
attr(factors$ses, "label") <- "Home resources"
saveRDS(factors, "factors.rds")

# Several objects in one file (save), read by name; b is no data frame.
a <- data.frame(g = factor(c("y", "x", "y"), levels = c("y", "x")), v = c(1.5, NA, 3))
b <- 1:3
c <- data.frame(w = 4:5)
save(a, b, c, file = "several.RData", compress = "xz")
save(a, b, file = "one.RData")
