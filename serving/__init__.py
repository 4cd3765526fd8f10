"""The request path: from a request to an answer inside its budget."""
