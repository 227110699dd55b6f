output "aurora_endpoint" {
  description = "Where PostgreSQL answers"
  value       = aws_rds_cluster.this.endpoint
}

output "push_role" {
  description = "The role of the workflow that pushes images; set it as the repository variable AWS_PUSH_ROLE"
  value       = one(aws_iam_role.push[*].arn)
}

output "buckets" {
  description = "Names of the buckets"
  value       = { for key, bucket in aws_s3_bucket.this : key => bucket.bucket }
}
