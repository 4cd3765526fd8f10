"""Quality of learners in a bare loop, without broker and Redis."""
