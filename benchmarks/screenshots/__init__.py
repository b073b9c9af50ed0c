"""Pictures of every state of the page, and of every list and form of the admin."""
