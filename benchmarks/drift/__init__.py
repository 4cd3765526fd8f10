"""False alarms against the budget, and how soon planted drift is found."""
