"""Many bundles, and the log they stand in: for whoever has to look at them years later."""
