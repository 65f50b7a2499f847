"""Where packages are, by the ament index as in ROS."""
from ament_index_python.packages import get_package_share_directory


class FindPackageShare:
    def __init__(self, package):
        self.package = package

    def perform(self, _arguments):
        return get_package_share_directory(self.package)
