"""Pages: the skin that every run's page wears, the numbers as pages write them, the charts as pages hold them."""
