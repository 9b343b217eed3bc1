"""Within-group, between-group and contextual effects of a predictor."""
