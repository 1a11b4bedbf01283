"""What carries the rules of layer-wise relevance propagation through a model."""
