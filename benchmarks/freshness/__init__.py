"""How soon a running stack knows: event to servable value, label to serving model."""
