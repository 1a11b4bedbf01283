"""Pictures of maps, and of how good they are."""
