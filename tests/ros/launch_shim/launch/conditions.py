"""Whether an action is done at all."""
from .substitutions import perform


class IfCondition:
    def __init__(self, value):
        self.value = value

    def holds(self, arguments):
        word = perform(self.value, arguments).lower()
        assert word in ('true', 'false', '1', '0'), word
        return word in ('true', '1')


class UnlessCondition(IfCondition):
    def holds(self, arguments):
        return not super().holds(arguments)
