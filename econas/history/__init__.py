"""What a search did, read from its journal, and its report."""
