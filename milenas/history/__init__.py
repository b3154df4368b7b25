"""What a differentiable search found, read from its journal, and its report."""
