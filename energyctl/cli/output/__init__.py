"""Results, plans and machines → text for people. Pure until the last write."""
