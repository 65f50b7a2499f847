"""A shim of ROS 2's `launch_ros`: only what our launch files use. See launch_file.py beside this folder."""
