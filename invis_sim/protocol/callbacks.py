"""The callback numbers of the InvisOutlet protocol, by name.

Source: the vendor's public API documentation and the published client `invisoutlet` 1.1.5.
"""

from enum import IntEnum

__all__ = ["Callback"]


class Callback(IntEnum):
    """What a packet is about: the `callbackName` of its payload."""

    REQUEST_CONFIGURATION = 1
    CONFIGURE = 2
    REQUEST_ACCESSORY_NAMES = 3
    CONFIGURE_ACCESSORY_NAMES = 4
    RESTART = 5
    RESET_NETWORK = 6
    FACTORY_RESET = 7
    OUTLET_STATUS = 9
    CONTROL_OUTLET = 10
    SENSOR_READINGS = 11
    DEVICE_INFORMATION = 12
    CONTROL_NIGHTLIGHT = 14
    NIGHTLIGHT_STATUS = 15
    CONTROL_COLOR_LIGHT = 17
    COLOR_LIGHT_STATUS = 18
    AVAILABLE_UPDATES = 20
    PERFORM_UPDATE = 21
    UPDATE_PROGRESS = 22
    UPDATE_RESULT = 23
    RESTART_FACEPLATE = 24
    RESET_FACEPLATE = 25
    CALIBRATE_OCCUPANCY = 26
    MQTT = 27
    CALIBRATE_CLIMATE = 28
