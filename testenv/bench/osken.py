# SPDX-License-Identifier: Apache-2.0
"""A learning switch for os-ken, for comparison: what simple controllers do.

The first frame of a pair of addresses comes to the controller, which notes the
source's port, installs a flow for the pair once it knows the destination, and
sends the frame on.
"""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

TABLE_MISS_COOKIE = 1


class Learner(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}  # MAC address -> port

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event):
        datapath = event.msg.datapath
        proto, parser = datapath.ofproto, datapath.ofproto_parser
        actions = [parser.OFPActionOutput(proto.OFPP_CONTROLLER, proto.OFPCML_NO_BUFFER)]
        self.install(datapath, 0, TABLE_MISS_COOKIE, parser.OFPMatch(), actions)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        message = event.msg
        datapath = message.datapath
        proto, parser = datapath.ofproto, datapath.ofproto_parser
        port, data = message.match["in_port"], message.data
        destination = ":".join("%02x" % byte for byte in data[0:6])
        source = ":".join("%02x" % byte for byte in data[6:12])
        self.ports[source] = port
        out = self.ports.get(destination, proto.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(out)]
        if out != proto.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=port, eth_src=source, eth_dst=destination)
            self.install(datapath, 1, 0, match, actions)
        datapath.send_msg(parser.OFPPacketOut(
            datapath=datapath, buffer_id=proto.OFP_NO_BUFFER, in_port=port, actions=actions, data=data))

    @staticmethod
    def install(datapath, priority, cookie, match, actions):
        parser = datapath.ofproto_parser
        apply = parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)
        datapath.send_msg(parser.OFPFlowMod(
            datapath=datapath, priority=priority, cookie=cookie, match=match, instructions=[apply]))
