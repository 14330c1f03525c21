"""The container's health check: exits with 0 if zinfo's HTTP server reports that it is healthy.

Requests the URL in $HEALTH_URL without a proxy, and accepts any certificate, because the server
runs in the same container.
"""

import os
import ssl
import sys
import urllib.request

TIMEOUT = 3  # seconds

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
)
try:
    with opener.open(os.environ["HEALTH_URL"], timeout=TIMEOUT):
        pass  # anything but 2xx raises
except (OSError, ValueError) as error:
    sys.exit(f"{os.environ['HEALTH_URL']}: {error}")
