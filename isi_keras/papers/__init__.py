"""The experiments of the two papers, and what they found."""
