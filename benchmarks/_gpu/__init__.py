"""What ``python -m benchmarks gpu`` runs: a file per group of checks, each a process of its own."""
