"""What the hierarchical-proxy search asks for, and the searches it is compared with."""
