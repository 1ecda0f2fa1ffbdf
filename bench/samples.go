package bench

import (
	"fmt"
	"strings"
	"time"
)

// A template is a line of a log of some format, of about 1 KB. In it {n} stands for a
// number that each line has another of, {user} for one of some users, {thing} for one
// of many things, {time} for a time in its layout and {text} for what makes it 1 KB.
type template struct {
	text   string
	layout string // of [time.Time.Format], or unixMillis
}

const unixMillis = "ms"

var templates = map[string]template{
	"cloudtrail":  {`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA{user}","arn":"arn:aws:iam::123456789012:user/{user}","accountId":"123456789012","userName":"{user}"},"eventTime":"{time}","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.17","userAgent":"aws-cli/2.13.5 Python/3.11.4 Linux/5.15 exe/x86_64 prompt/off","requestParameters":{"instancesSet":{"items":[{"instanceId":"{thing}"}]},"filterSet":{},"note":"{text}"},"responseElements":null,"requestID":"8f1c{n}","eventID":"3a5e-{n}","readOnly":true,"resources":[{"type":"AWS::EC2::Instance","ARN":"arn:aws:ec2:eu-west-1:123456789012:instance/{thing}"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012","eventCategory":"Management"}`, time.RFC3339},
	"kubernetes":  {`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5a6b3f2e-{n}","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/shop/deployments/{thing}","verb":"patch","user":{"username":"{user}@example.com","uid":"u-{user}","groups":["dev","system:authenticated"]},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b","objectRef":{"resource":"deployments","namespace":"shop","name":"{thing}","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestObject":{"note":"{text}"},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding dev/shop"}}`, "2006-01-02T15:04:05.000000Z07:00"},
	"vault":       {`{"time":"{time}","type":"request","auth":{"client_token":"hmac-sha256:a1","accessor":"hmac-sha256:b1","display_name":"ldap-{user}","policies":["default","shop"],"token_policies":["default","shop"],"entity_id":"7d2e-{user}","token_type":"service","token_ttl":2764800,"note":"{text}"},"request":{"id":"a1-{n}","client_id":"7d2e-{user}","operation":"read","mount_point":"secret/","mount_type":"kv","client_token":"hmac-sha256:a1","client_token_accessor":"hmac-sha256:b1","namespace":{"id":"root"},"path":"secret/data/{thing}","remote_address":"192.0.2.1","remote_port":51023,"headers":{"user-agent":["vault-cli/1.16"]}}}`, "2006-01-02T15:04:05.000000000Z07:00"},
	"github":      {`{"@timestamp":{time},"_document_id":"doc{n}","action":"repo.access","actor":"{user}","actor_id":4711,"actor_ip":"192.0.2.9","actor_location":{"country_code":"DE"},"business":"shop","business_id":12,"created_at":{time},"operation_type":"modify","org":"shop","org_id":99,"repo":"shop/{thing}","repo_id":5,"visibility":"private","previous_visibility":"public","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0","request_id":"req-{n}","note":"{text}"}`, unixMillis},
	"okta":        {`{"actor":{"id":"00u{user}","type":"User","alternateId":"{user}@example.com","displayName":"{user}","detailEntry":null},"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0 (X11; Linux x86_64)","os":"Linux","browser":"FIREFOX"},"zone":"null","device":"Computer","id":null,"ipAddress":"192.0.2.1","geographicalContext":null},"device":null,"authenticationContext":{"authenticationStep":0,"externalSessionId":"trs{user}"},"displayMessage":"User login to Okta","eventType":"user.session.start","outcome":{"result":"SUCCESS","reason":null},"published":"{time}","securityContext":{},"severity":"INFO","debugContext":{"debugData":{"note":"{text}"}},"legacyEventType":"core.user_auth.login_success","transaction":{"type":"WEB","id":"tx{n}","detail":{}},"uuid":"e-{n}","version":"0","request":{"ipChain":[]},"target":[{"id":"{thing}","type":"AppInstance","alternateId":"shop","displayName":"Shop"}]}`, "2006-01-02T15:04:05.000Z07:00"},
	"gcp":         {`{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","status":{},"authenticationInfo":{"principalEmail":"{user}@example.com","principalSubject":"user:{user}@example.com"},"requestMetadata":{"callerIp":"192.0.2.1","callerSuppliedUserAgent":"google-cloud-sdk gcloud/400.0"},"serviceName":"compute.googleapis.com","methodName":"v1.compute.instances.setLabels","resourceName":"projects/shop/zones/europe-west1-b/instances/{thing}","request":{"note":"{text}"}},"insertId":"-{n}","resource":{"type":"gce_instance","labels":{"project_id":"shop","instance_id":"{thing}","zone":"europe-west1-b"}},"timestamp":"{time}","severity":"NOTICE","logName":"projects/shop/logs/cloudaudit.googleapis.com%2Factivity","operation":{"id":"op-{n}","first":true},"receiveTimestamp":"{time}"}`, "2006-01-02T15:04:05.000000000Z07:00"},
	"azure":       {`{"time":"{time}","resourceId":"/SUBSCRIPTIONS/S1/RESOURCEGROUPS/SHOP/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/{thing}","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE","category":"Administrative","resultType":"Success","resultSignature":"Succeeded.","durationMs":"12","callerIpAddress":"192.0.2.1","correlationId":"c-{n}","identity":{"authorization":{"scope":"/subscriptions/s1","action":"Microsoft.Compute/virtualMachines/write","evidence":{"role":"Owner","principalType":"User","principalId":"p-{user}"}},"claims":{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"{user}@example.com"}},"level":"Information","properties":{"eventCategory":"Administrative","note":"{text}"},"tenantId":"t1"}`, "2006-01-02T15:04:05.0000000Z07:00"},
	"windows":     {`{"@timestamp":"{time}","EventID":4624,"Hostname":"{thing}.example.com","Keywords":-9214364837600034816,"EventType":"AUDIT_SUCCESS","SeverityValue":2,"Severity":"INFO","SourceName":"Microsoft-Windows-Security-Auditing","ProviderGuid":"{54849625-5478-4994-A5BA-3E3B0328C30D}","Version":2,"Task":12544,"OpcodeValue":0,"RecordNumber":{n},"ProcessID":640,"ThreadID":4,"Channel":"Security","Category":"Logon","Opcode":"Info","Message":"An account was successfully logged on.\r\n\r\nSubject:\r\n\t{text}","SubjectUserSid":"S-1-5-18","SubjectUserName":"-","SubjectLogonId":"0x3e7","TargetUserSid":"S-1-5-21-1-2-3-1104","TargetUserName":"{user}","TargetDomainName":"SHOP","TargetLogonId":"0x{n}","LogonType":"3","IpAddress":"192.0.2.5","IpPort":"49812"}`, time.RFC3339},
	"ocsf":        {`{"activity_id":1,"activity_name":"Logon","category_name":"Identity & Access Management","category_uid":3,"class_name":"Authentication","class_uid":3002,"type_uid":300201,"time":{time},"severity_id":1,"severity":"Informational","status":"Success","status_id":1,"message":"Logged on","metadata":{"uid":"m-{n}","correlation_uid":"c-{n}","version":"1.3.0","product":{"name":"Shop SSO","vendor_name":"Shop"}},"actor":{"session":{"uid":"s-{n}"},"process":{"pid":7,"name":"sso"}},"user":{"uid":"u-{user}","name":"{user}","type":"User"},"src_endpoint":{"ip":"192.0.2.1","port":51000},"dst_endpoint":{"hostname":"{thing}"},"http_request":{"user_agent":"curl/8.5.0"},"duration":12,"unmapped":{"note":"{text}"}}`, unixMillis},
	"cloudevents": {`{"specversion":"1.0","id":"A{n}","source":"https://shop.example.com/orders","type":"order.placed","time":"{time}","subject":"order/{thing}","datacontenttype":"application/json","data":{"customer":"{user}","total":12.50,"currency":"EUR","n":9007199254740993,"lines":[{"sku":"A-1","count":2},{"sku":"B-7","count":1}],"note":"{text}"},"correlationid":"c-{n}","authid":"{user}","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`, "2006-01-02T15:04:05.000Z07:00"},
	"journald":    {`{"id":"{n}","time":"{time}","entity_type":"customer","entity_id":"{thing}","field":"email","action":"update","old_value":"{user}@example.com","new_value":"{user}@shop.example.com {text}","actor":"{user}","source":"crm","workspace_id":"w1"}`, time.RFC3339},
}

// sampleBytes is about how long a line is.
const sampleBytes = 1024

// Sample returns what makes lines of a format for an [Importer]; nil if it is unknown.
func Sample(format string) func(dst []byte, n int) []byte {
	if format == "jsonl" {
		g := newGenerator(1)
		return func(dst []byte, _ int) []byte { return append(dst, g.next()...) }
	}
	t, ok := templates[format]
	if !ok {
		return nil
	}
	text := strings.Repeat("all work and no play ", 1+max(0, sampleBytes-len(t.text)-50)/21)
	return func(dst []byte, n int) []byte {
		at := time.Unix(1767225600+int64(n/100), 0).UTC()
		stamp := at.Format(t.layout)
		if t.layout == unixMillis {
			stamp = fmt.Sprint(at.UnixMilli())
		}
		return append(dst, strings.NewReplacer(
			"{n}", fmt.Sprint(100_000_000+n), "{user}", fmt.Sprintf("user-%03d", n%977), "{thing}", fmt.Sprintf("thing-%06d", n*7919%200_003),
			"{time}", stamp, "{text}", text,
		).Replace(t.text)...)
	}
}
