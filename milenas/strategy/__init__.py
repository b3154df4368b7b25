"""What a differentiable search asks for, and what its records say."""
