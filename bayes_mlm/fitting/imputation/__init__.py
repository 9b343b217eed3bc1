"""Multiple imputation of missing values by a joint normal model at two levels."""
