"""SIP, SDP, RTP and RTCP: what telephone calls are made of, and how well they went."""
