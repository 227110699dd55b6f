# One role for each service account that AWS must know, handed out by EKS Pod Identity: no key lies anywhere.
locals {
  bucket = { for key, bucket in aws_s3_bucket.this : key => bucket.arn }
  object_actions = {
    read  = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"]
    write = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:AbortMultipartUpload"]
  }
  secrets = "arn:${local.partition}:secretsmanager:${var.region}:${local.account}:secret:${local.name}/*"

  bedrock_arns = flatten([for entry in var.bedrock_models : concat(
    ["arn:${local.partition}:bedrock:${var.region}:${local.account}:inference-profile/${entry.profile}"],
    [for region in entry.regions : "arn:${local.partition}:bedrock:${region}::foundation-model/${entry.model}"],
  )])

  grants = {
    clickhouse = {
      namespace = "kubetrader", account = "clickhouse"
      statements = [
        { actions = local.object_actions.write, resources = [local.bucket["cold"], "${local.bucket["cold"]}/*"] },
      ]
    }
    loki = {
      namespace = "monitoring", account = "loki"
      statements = [
        { actions = local.object_actions.write, resources = [local.bucket["logs"], "${local.bucket["logs"]}/*"] },
      ]
    }
    dagster = {
      namespace = "dagster", account = "dagster"
      statements = [
        { actions = local.object_actions.write, resources = [local.bucket["archive"], "${local.bucket["archive"]}/*"] },
      ]
    }
    external-secrets = {
      namespace = "external-secrets", account = "external-secrets"
      statements = [
        { actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], resources = [local.secrets] },
        { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
        { actions = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:ListImages", "ecr:GetDownloadUrlForLayer"],
        resources = ["arn:${local.partition}:ecr:${var.region}:${local.account}:repository/kubetrader/*"] },
      ]
    }
    karpenter = {
      namespace = "kube-system", account = "karpenter"
      statements = [
        { actions = [
          "ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate", "ec2:DeleteLaunchTemplate", "ec2:CreateTags",
          "ec2:TerminateInstances", "ec2:DescribeAvailabilityZones", "ec2:DescribeImages", "ec2:DescribeInstances",
          "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes",
          "ec2:DescribeLaunchTemplates", "ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets",
          "pricing:GetProducts", "ssm:GetParameter",
        ], resources = ["*"] },
        { actions = ["iam:PassRole"], resources = [aws_iam_role.node.arn] },
        { actions = [
          "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:GetInstanceProfile", "iam:ListInstanceProfiles",
          "iam:TagInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
        ], resources = ["arn:${local.partition}:iam::${local.account}:instance-profile/*"] },
        { actions = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], resources = [aws_sqs_queue.interruption.arn] },
        { actions = ["eks:DescribeCluster"], resources = ["arn:${local.partition}:eks:${var.region}:${local.account}:cluster/${var.cluster_name}"] },
      ]
    }
    # Users' code: reads the archive, writes only results, calls only the models named. No secret, no role.
    kernel = {
      namespace = "research", account = "kernel"
      statements = [
        { actions = local.object_actions.read, resources = [local.bucket["archive"], "${local.bucket["archive"]}/*"] },
        { actions = local.object_actions.write, resources = [local.bucket["research"], "${local.bucket["research"]}/*"] },
        { actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], resources = local.bedrock_arns },
      ]
    }
  }
}

data "aws_iam_policy_document" "pod_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "pod" {
  for_each = local.grants
  dynamic "statement" {
    for_each = each.value.statements
    content {
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role" "pod" {
  for_each           = local.grants
  name               = "${local.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

resource "aws_iam_role_policy" "pod" {
  for_each = local.grants
  name     = "own"
  role     = aws_iam_role.pod[each.key].id
  policy   = data.aws_iam_policy_document.pod[each.key].json
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = local.grants
  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pod[each.key].arn
}
