"""What nginx.conf says: text to words, words to a tree, and what is wrong with the tree."""
