data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  # Names begin with this: kubetrader in production, kubetrader-test in the test account's VPC.
  name      = var.environment == "prod" ? "kubetrader" : "kubetrader-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}
