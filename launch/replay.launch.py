"""A recorded bag played into the node: `ros2 launch llava_grounding replay.launch.py bag:=/path/to/bag`.

The clock is the bag's (/clock). Of launch and launch_ros only what tests/ros/launch_shim knows is used.
"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    image = LaunchConfiguration('image')
    return LaunchDescription([
        DeclareLaunchArgument('bag', description='a rosbag2 folder, an .mcap or a .db3 file'),
        DeclareLaunchArgument('rate', default_value='1.0', description='speed of the recording, 1: as it was'),
        DeclareLaunchArgument('image', default_value='/camera/color/image_raw', description='colour images of the bag'),
        DeclareLaunchArgument('depth', default_value='/camera/aligned_depth_to_color/image_raw',
                              description='depth of the bag, registered to the colour image'),
        DeclareLaunchArgument('camera_info', default_value='/camera/color/camera_info',
                              description='intrinsics of the colour camera'),
        DeclareLaunchArgument('params', description='parameter file',
                              default_value=PathJoinSubstitution(
                                  [FindPackageShare('llava_grounding'), 'config', 'replay.yaml'])),
        Node(
            package='llava_grounding',
            executable='llava_grounding',
            name='grounding',
            parameters=[LaunchConfiguration('params')],
            remappings=[
                ('image', image),
                ('depth', LaunchConfiguration('depth')),
                ('camera_info', LaunchConfiguration('camera_info')),
            ],
            output='screen',
        ),
        Node(
            package='llava_grounding',
            executable='llava_grounding',
            name='player',
            arguments=['play', LaunchConfiguration('bag'), '--rate', LaunchConfiguration('rate'), '--clock', '100',
                       '--wait', '10'],
            output='screen',
        ),
    ])
