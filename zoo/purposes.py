"""Purposes: the number of every use of randomness, so that no two uses draw the same stream.

A stream is seeded by ``default_rng((seed, ..., purpose, ...))``. Its bits are in the results of runs, so a number
never changes; a new use takes a number that nobody has.
"""

# Random networks.
PRICED_NETWORKS = 16
"""Networks over which EcoNAS averages a setting's price. It was their count, and prices are in identities."""
SAMPLED_NETWORKS = 101

# Training.
IMAGE_ORDER = 301
IMAGE_DRAWS = 302
"""Crops, flips and cutouts of an epoch."""
DROPPED_PATHS = 303
INITIAL_WEIGHTS = 304
SAMPLE_LEVEL = 305
"""The training images at a sample level."""
STREAM_CROP = 306
"""The crop of one streamed image."""
SCORED_IMAGES = 307
"""The training images by which a network is scored without training."""

# Reliability.
STUDY_INTERVALS = 501

# Surrogates.
SURROGATE = 551
"""The models of a search."""
CANDIDATES = 552
"""What a model chooses the next networks from."""

# Published tables.
TABLE_SEED = 561
"""Which seed's training a table answers with."""

# EcoNAS and what it is compared with.
FIRST_NETWORKS = 601
PARENTS = 602
MUTATION = 603
AUDITED = 604
AUDIT_INTERVALS = 605
AGEING_TOURNAMENT = 611
PASSAGE_INTERVALS = 621
WITHIN_LIMITS = 622
"""The network that shows that limits can be kept."""
SAMPLER = 631
"""A sampler of Optuna."""

# SCARLET.
SUPERNET_PATHS = 701
MEASURED_PATHS = 702
RECALIBRATION = 703
FIRST_GENERATION = 711
SURVIVAL = 712
BREEDING = 713
IMAGINED = 714
"""The networks that a model thinks no other beats."""
TRAINED_ALONE = 715
"""The networks of a search that are trained without their supernet."""

# Differentiable search: of the images of w, α and β.
IMAGE_DIVISION = 721
WEIGHT_ORDER, ALPHA_ORDER, BETA_ORDER = 722, 723, 724
WEIGHT_DRAWS, ALPHA_DRAWS, BETA_DRAWS = 705, 706, 707
WEIGHT_CROP, ALPHA_CROP, BETA_CROP = 725, 726, 727
GUMBEL_NOISE = 708
SUPERNET_WEIGHTS = 709
POWER_ITERATION = 710

# Latencies.
PROFILED_NETWORKS = 731

# Benchmarks.
FRONT_PEER_NETWORKS = 771
PEER_PROPOSALS = 772
PLANTED_TABLE = 773
FINALS = 774
SIMULATION = 775
"""What goes wrong in a simulated run."""
FAULTS = 776
"""What goes wrong in a real one."""
SCALE = 777
"""How long simulated workers take, and what they measure."""
FUZZ = 778
"""What is wrong with an input that is almost right."""
TOY_ENUMERATION = 801
TOY_SEARCH = 802

# Data.
TEST_SPLIT = 20210
VALIDATION_SPLIT = 20211
TRAIN_CHOICE = 20212
STREAM_STATISTICS = 20231
