"""Maps of what a decision rests on, and how good they are."""
