# Images: a tag, once written, stays what it is. Only the test environment's account-wide parts live in production.
locals {
  images = var.environment == "prod" ? toset(["kt", "migrations", "orchestration", "kernel", "kernelspecs"]) : toset([])
}

resource "aws_ecr_repository" "this" {
  for_each             = local.images
  name                 = "kubetrader/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = local.images
  repository = aws_ecr_repository.this[each.key].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The last 200 builds: what runs is always among them"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 200 }
      action       = { type = "expire" }
    }]
  })
}

# GitHub's workflows on the main branch, and nobody else, push images.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.environment == "prod" ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "push_trust" {
  count = length(aws_iam_openid_connect_provider.github)
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github[0].arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.repository}:ref:refs/heads/main"]
    }
  }
}

data "aws_iam_policy_document" "push" {
  count = length(aws_iam_openid_connect_provider.github)
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [for repository in aws_ecr_repository.this : repository.arn]
  }
}

resource "aws_iam_role" "push" {
  count              = length(aws_iam_openid_connect_provider.github)
  name               = "kubetrader-push"
  assume_role_policy = data.aws_iam_policy_document.push_trust[0].json
}

resource "aws_iam_role_policy" "push" {
  count  = length(aws_iam_openid_connect_provider.github)
  name   = "push"
  role   = aws_iam_role.push[0].id
  policy = data.aws_iam_policy_document.push[0].json
}
