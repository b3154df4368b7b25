"""How far a cheap setting can be trusted: the study, rank measures with intervals, the recommendation, the report."""
