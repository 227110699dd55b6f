# Application state: orders, Dagster's runs, Grafana. The master password is AWS's own to make and turn over.
resource "aws_db_subnet_group" "this" {
  name       = local.name
  subnet_ids = var.private_subnet_ids
}

resource "aws_security_group" "database" {
  name_prefix = "${local.name}-database-"
  description = "PostgreSQL from the cluster's nodes"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = var.node_security_group_id
  description                  = "PostgreSQL from the nodes"
  from_port                    = 5432
  to_port                      = 5432
  ip_protocol                  = "tcp"
}

resource "aws_rds_cluster_parameter_group" "this" {
  name_prefix = "${local.name}-"
  family      = "aurora-postgresql17"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_rds_cluster" "this" {
  cluster_identifier              = local.name
  engine                          = "aurora-postgresql"
  engine_mode                     = "provisioned"
  engine_version                  = "17.5"
  database_name                   = "kubetrader"
  master_username                 = "kubetrader"
  manage_master_user_password     = true
  storage_encrypted               = true
  backup_retention_period         = var.environment == "prod" ? 14 : 1
  deletion_protection             = var.environment == "prod"
  skip_final_snapshot             = var.environment != "prod"
  final_snapshot_identifier       = "${local.name}-final"
  copy_tags_to_snapshot           = true
  db_subnet_group_name            = aws_db_subnet_group.this.name
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  vpc_security_group_ids          = [aws_security_group.database.id]
  enabled_cloudwatch_logs_exports = ["postgresql"]
  serverlessv2_scaling_configuration {
    min_capacity             = var.aurora_capacity.min
    max_capacity             = var.aurora_capacity.max
    seconds_until_auto_pause = var.aurora_capacity.min == 0 ? 300 : null
  }
}

# A reader in production, in another zone, takes over when the writer's zone is gone.
resource "aws_rds_cluster_instance" "this" {
  count                      = var.environment == "prod" ? 2 : 1
  identifier                 = "${local.name}-${count.index}"
  cluster_identifier         = aws_rds_cluster.this.id
  engine                     = aws_rds_cluster.this.engine
  engine_version             = aws_rds_cluster.this.engine_version
  instance_class             = "db.serverless"
  auto_minor_version_upgrade = true
}
