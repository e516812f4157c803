"""What stands around the code: setting up, provisioning servers, checking. Nothing here is part of the product."""
