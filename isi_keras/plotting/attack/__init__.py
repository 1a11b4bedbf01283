"""Pictures of attacks."""
