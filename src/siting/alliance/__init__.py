"""The joint investment: the games of 31 coalitions and their shares."""
