# With a mocked provider: what the configuration asks for, not what AWS answers.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::bucket" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/role" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-northeast-1:111122223333:queue" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  environment             = "prod"
  cluster_name            = "kubetrader"
  vpc_id                  = "vpc-1"
  private_subnet_ids      = ["subnet-1", "subnet-2"]
  endpoint_subnet_ids     = ["subnet-3"]
  private_route_table_ids = ["rtb-1"]
  node_security_group_id  = "sg-1"
}

run "kernels_get_no_secret_and_only_named_models" {
  assert {
    condition = alltrue([for statement in local.grants.kernel.statements : alltrue([
      for action in statement.actions : startswith(action, "s3:") || startswith(action, "bedrock:InvokeModel")
    ])])
    error_message = "A kernel may use S3 and call models, nothing else."
  }
  assert {
    condition = alltrue([for statement in local.grants.kernel.statements : alltrue([
      for resource in statement.resources : !endswith(resource, ":*") && resource != "*" && !strcontains(resource, "foundation-model/*")
    ])])
    error_message = "A kernel's resources are named one by one."
  }
  assert {
    condition     = toset(local.bedrock_arns) == toset(flatten([for entry in var.bedrock_models : concat(["arn:aws:bedrock:ap-northeast-1:111122223333:inference-profile/${entry.profile}"], [for region in entry.regions : "arn:aws:bedrock:${region}::foundation-model/${entry.model}"])]))
    error_message = "Bedrock by profile and by model."
  }
}

run "only_one_role_reads_secrets" {
  assert {
    condition = [for name, grant in local.grants : name if anytrue([
      for statement in grant.statements : anytrue([for action in statement.actions : startswith(action, "secretsmanager:")])
    ])] == ["external-secrets"]
    error_message = "Only the External Secrets Operator reads secrets."
  }
}

run "images_cannot_be_overwritten_and_are_pushed_from_main_only" {
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "A tag stays what it is."
  }
  assert {
    condition = anytrue([for condition in data.aws_iam_policy_document.push_trust[0].statement[0].condition :
      condition.variable == "token.actions.githubusercontent.com:sub" && condition.test == "StringEquals" &&
    condition.values == tolist(["repo:kubetrader/platform:ref:refs/heads/main"])])
    error_message = "The pushing role is bound to one branch of one repository."
  }
}

run "buckets_are_closed_and_encrypted" {
  assert {
    condition = alltrue([for block in aws_s3_bucket_public_access_block.this :
    block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "No bucket is public."
  }
  assert {
    condition     = keys(aws_s3_bucket_server_side_encryption_configuration.this) == keys(aws_s3_bucket.this)
    error_message = "Every bucket is encrypted."
  }
  assert {
    condition     = aws_s3_bucket.this["cold"].bucket == "kubetrader-cold-111122223333"
    error_message = "deploy/data names the cold bucket kubetrader-cold-<account>."
  }
}

run "the_database_is_encrypted_and_kept" {
  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && aws_rds_cluster.this.deletion_protection && aws_rds_cluster.this.manage_master_user_password
    error_message = "Aurora is encrypted, protected, and its password is AWS's own."
  }
  assert {
    condition     = alltrue([for instance in aws_rds_cluster_instance.this : instance.instance_class == "db.serverless"])
    error_message = "Serverless v2."
  }
}

run "a_wildcard_model_is_refused" {
  command = plan
  variables {
    bedrock_models = { any = { model = "anthropic.*", profile = "apac.anthropic.x", regions = ["ap-northeast-1"] } }
  }
  expect_failures = [var.bedrock_models]
}

run "a_repository_pattern_is_refused" {
  command = plan
  variables {
    repository = "kubetrader/*"
  }
  expect_failures = [var.repository]
}

run "test_has_its_own_names_and_no_registry" {
  variables {
    environment  = "test"
    cluster_name = "kubetrader-test"
  }
  assert {
    condition     = length(aws_ecr_repository.this) == 0 && aws_rds_cluster.this.cluster_identifier == "kubetrader-test"
    error_message = "The test environment shares nothing but images."
  }
  assert {
    condition     = aws_sqs_queue.interruption.name == "kubetrader-test-interruption"
    error_message = "deploy/values/test/karpenter.yaml names this queue."
  }
}
