# The places of the secrets that deploy/secrets names. Their values are written by hand (docs/deploy.md), so that
# none enters Terraform's state.
locals {
  secrets_wanted = toset([
    "kt-feed", "kt-load", "kt-console", "kt-signals", "kt-service", "nats", "clickhouse", "postgres", "grafana", "git",
  ])
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = local.secrets_wanted
  name                    = "${local.name}/${each.key}"
  recovery_window_in_days = var.environment == "prod" ? 30 : 7
}
