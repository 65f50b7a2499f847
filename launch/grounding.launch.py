"""The node, every variant an argument: `ros2 launch llava_grounding grounding.launch.py image:=/camera/color/image_raw`.

Of launch and launch_ros only what tests/ros/launch_shim knows is used.
"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    image = LaunchConfiguration('image')
    depth = LaunchConfiguration('depth')
    camera_info = LaunchConfiguration('camera_info')
    params = LaunchConfiguration('params')
    managed = LaunchConfiguration('managed')
    node = dict(
        package='llava_grounding',
        executable='llava_grounding',
        name='grounding',
        namespace=LaunchConfiguration('namespace'),
        arguments=['run', '--model', LaunchConfiguration('model'), '--device', LaunchConfiguration('device')],
        remappings=[
            ('image', image),
            ('image/compressed', [image, '/compressed']),
            ('depth', depth),
            ('depth/compressedDepth', [depth, '/compressedDepth']),
            ('camera_info', camera_info),
        ],
        output='screen',
    )
    return LaunchDescription([
        DeclareLaunchArgument('image', default_value='/camera/color/image_raw',
                              description='colour images; their compressed form is expected at <image>/compressed'),
        DeclareLaunchArgument('depth', default_value='/camera/aligned_depth_to_color/image_raw',
                              description='depth registered to the colour image; compressed at <depth>/compressedDepth'),
        DeclareLaunchArgument('camera_info', default_value='/camera/color/camera_info',
                              description='intrinsics of the colour camera'),
        DeclareLaunchArgument('params', description='parameter file',
                              default_value=PathJoinSubstitution(
                                  [FindPackageShare('llava_grounding'), 'config', 'params.yaml'])),
        DeclareLaunchArgument('model', default_value='',
                              description='model folder; empty: as the parameter file says'),
        DeclareLaunchArgument('device', default_value='',
                              description='auto, cpu or cuda:N; empty: as the parameter file says'),
        DeclareLaunchArgument('namespace', default_value='', description='namespace of the node'),
        DeclareLaunchArgument('managed', default_value='false',
                              description='true: a lifecycle manager configures and activates the node'),
        Node(condition=UnlessCondition(managed), parameters=[params], **node),
        LifecycleNode(condition=IfCondition(managed), parameters=[params, {'autostart': False}], **node),
    ])
