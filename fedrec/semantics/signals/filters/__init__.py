"""What is wrong with an answer: filters of one answer, and of all of them together."""
