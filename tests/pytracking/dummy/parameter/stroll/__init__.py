"""Parameter files of the dummy tracker."""
