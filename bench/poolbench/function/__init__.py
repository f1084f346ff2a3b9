"""What the Lambda function imports: SQLAlchemy, the driver, boto3, and nothing heavier."""
