// SPDX-License-Identifier: Apache-2.0

package rules

// defaultPriority is the priority of a rule that names neither a priority nor a known classtype.
const defaultPriority = 3

// classification is what a classtype stands for and its priority, as in the classification.config that comes with
// Suricata. An unknown one has no category and the default priority.
func classification(classtype string) (category string, priority int) {
	switch classtype {
	case "attempted-admin":
		return "Attempted Administrator Privilege Gain", 1
	case "attempted-user":
		return "Attempted User Privilege Gain", 1
	case "command-and-control":
		return "Malware Command and Control Activity Detected", 1
	case "credential-theft":
		return "Successful Credential Theft Detected", 1
	case "domain-c2":
		return "Domain Observed Used for C2 Detected", 1
	case "exploit-kit":
		return "Exploit Kit Activity Detected", 1
	case "inappropriate-content":
		return "Inappropriate Content was Detected", 1
	case "policy-violation":
		return "Potential Corporate Privacy Violation", 1
	case "shellcode-detect":
		return "Executable code was detected", 1
	case "social-engineering":
		return "Possible Social Engineering Attempted", 2
	case "successful-admin":
		return "Successful Administrator Privilege Gain", 1
	case "successful-user":
		return "Successful User Privilege Gain", 1
	case "targeted-activity":
		return "Targeted Malicious Activity was Detected", 1
	case "trojan-activity":
		return "A Network Trojan was detected", 1
	case "unsuccessful-user":
		return "Unsuccessful User Privilege Gain", 1
	case "web-application-attack":
		return "Web Application Attack", 1
	}
	return lesserClassification(classtype)
}

// lesserClassification is the classtypes of priority 2 and below.
func lesserClassification(classtype string) (category string, priority int) {
	switch classtype {
	case "attempted-dos":
		return "Attempted Denial of Service", 2
	case "attempted-recon":
		return "Attempted Information Leak", 2
	case "bad-unknown":
		return "Potentially Bad Traffic", 2
	case "coin-mining":
		return "Crypto Currency Mining Activity Detected", 2
	case "default-login-attempt":
		return "Attempt to login by a default username and password", 2
	case "denial-of-service":
		return "Detection of a Denial of Service Attack", 2
	case "external-ip-check":
		return "Device Retrieving External IP Address Detected", 2
	case "misc-attack":
		return "Misc Attack", 2
	case "non-standard-protocol":
		return "Detection of a non-standard protocol or event", 2
	case "pup-activity":
		return "Possibly Unwanted Program Detected", 2
	case "rpc-portmap-decode":
		return "Decode of an RPC Query", 2
	case "successful-dos":
		return "Denial of Service", 2
	case "successful-recon-largescale":
		return "Large Scale Information Leak", 2
	case "successful-recon-limited":
		return "Information Leak", 2
	case "suspicious-filename-detect":
		return "A suspicious filename was detected", 2
	case "suspicious-login":
		return "An attempted login using a suspicious username was detected", 2
	case "system-call-detect":
		return "A system call was detected", 2
	case "unusual-client-port-connection":
		return "A client was using an unusual port", 2
	case "web-application-activity":
		return "access to a potentially vulnerable web application", 2
	case "icmp-event":
		return "Generic ICMP event", 3
	case "misc-activity":
		return "Misc activity", 3
	case "network-scan":
		return "Detection of a Network Scan", 3
	case "not-suspicious":
		return "Not Suspicious Traffic", 3
	case "protocol-command-decode":
		return "Generic Protocol Command Decode", 3
	case "string-detect":
		return "A suspicious string was detected", 3
	case "tcp-connection":
		return "A TCP connection was detected", 4
	case "unknown":
		return "Unknown Traffic", 3
	}
	return "", defaultPriority
}
